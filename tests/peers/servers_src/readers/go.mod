module readers

go 1.25.0

require (
	github.com/distribution/reference v0.6.0
	golang.org/x/net v0.56.0
	k8s.io/apimachinery v0.34.2
)

require (
	github.com/opencontainers/go-digest v1.0.0 // indirect
	go.yaml.in/yaml/v2 v2.4.2 // indirect
	golang.org/x/text v0.38.0 // indirect
	sigs.k8s.io/json v0.0.0-20241014173422-cfa47c3a1cc8 // indirect
	sigs.k8s.io/yaml v1.6.0 // indirect
)
