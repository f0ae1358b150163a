for name in release old new; do imagesig key generate $name.key; done
imagesig sign --key release.key registry.example/acme/app:1.0
imagesig sign --key old.key registry.example/acme/app:1.0
skopeo --insecure-policy copy --src-tls-verify=false docker://registry.example/acme/app:1.0 \
    docker-archive:old.tar:acme/app:1.0
