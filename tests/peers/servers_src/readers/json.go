package main

import (
	"encoding/json"
	"fmt"
)

// The structs of image-spec, of Docker's manifest.json and of schema 1, with the members that readers look for.

type platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Data         []byte            `json:"data,omitempty"`
	Platform     *platform         `json:"platform,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Manifests     []descriptor      `json:"manifests"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type imageLayout struct {
	Version string `json:"imageLayoutVersion"`
}

type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// What containers/image looks at to tell one kind from another (CVE-2021-41190).
type kinds struct {
	Config     any `json:"config"`
	FSLayers   any `json:"fsLayers"`
	History    any `json:"history"`
	Layers     any `json:"layers"`
	Manifests  any `json:"manifests"`
	Signatures any `json:"signatures"`
}

func (found kinds) names() []string {
	names := []string{}
	for _, one := range []struct {
		name  string
		value any
	}{
		{"config", found.Config}, {"fsLayers", found.FSLayers}, {"history", found.History},
		{"layers", found.Layers}, {"manifests", found.Manifests}, {"signatures", found.Signatures},
	} {
		if one.value != nil {
			names = append(names, one.name)
		}
	}
	return names
}

type whole struct {
	Document any      `json:"document"`
	Kinds    []string `json:"kinds"`
}

// readJSON reads a document behind one letter that says what it is: m(anifest), i(ndex), l(ayout), d(ocker); or e, whose
// entries are read one by one as those of a list of referrers or signatures are.
func readJSON(document []byte) (any, error) {
	if len(document) == 0 {
		return nil, fmt.Errorf("no letter")
	}
	letter, content := document[0], document[1:]
	var into any
	switch letter {
	case 'm':
		into = &manifest{}
	case 'i':
		into = &index{}
	case 'l':
		into = &imageLayout{}
	case 'd':
		into = &[]dockerImage{}
	case 'e':
		return entries(content)
	default:
		return nil, fmt.Errorf("unknown letter")
	}
	if err := json.Unmarshal(content, into); err != nil {
		return nil, err
	}
	var found kinds
	if letter == 'm' || letter == 'i' {
		if err := json.Unmarshal(content, &found); err != nil {
			return nil, err
		}
	}
	return whole{into, found.names()}, nil
}

type entry struct {
	Descriptor *descriptor `json:"descriptor"`
}

func entries(content []byte) (any, error) {
	var list struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, err
	}
	found := []entry{}
	for _, raw := range list.Manifests {
		var one descriptor
		if err := json.Unmarshal(raw, &one); err != nil {
			found = append(found, entry{})
		} else {
			found = append(found, entry{&one})
		}
	}
	return found, nil
}
