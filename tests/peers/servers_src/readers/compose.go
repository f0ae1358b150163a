package main

import (
	"context"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// readCompose gives the images of the services, and of the volumes that are images, as docker compose loads them.
func readCompose(document []byte) (any, error) {
	details := types.ConfigDetails{
		WorkingDir:  "/nowhere",
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: document}},
		Environment: types.Mapping{},
	}
	project, err := loader.LoadWithContext(context.Background(), details, func(options *loader.Options) {
		options.SetProjectName("test", true)
		options.Profiles = []string{"*"}
	})
	if err != nil {
		return nil, err
	}
	images := []string{}
	for _, service := range project.Services {
		if service.Image != "" {
			images = append(images, service.Image)
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeImage {
				images = append(images, volume.Source)
			}
		}
	}
	return images, nil
}
