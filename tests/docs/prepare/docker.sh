imagesig key generate release.key
imagesig sign --key release.key registry.example/acme/app:1.0
docker pull -q registry.example/acme/app:1.0
docker tag registry.example/acme/app:1.0 my-image
echo content > file
printf 'FROM scratch\nCOPY file /file\n' > Dockerfile
