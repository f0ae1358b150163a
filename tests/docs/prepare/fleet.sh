imagesig key generate release.key
printf '%s\n' registry.example/acme/app:1.0 registry.example/team/app:1.0 > images.txt
cat > deploy.yaml <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  containers:
    - {name: app, image: "registry.example/acme/app:1.0"}
YAML
