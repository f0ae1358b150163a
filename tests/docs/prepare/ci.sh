imagesig key generate release.key
imagesig sign --key release.key registry.example/acme/app:1.0
echo registry.example/acme/app:1.0 > images.txt
