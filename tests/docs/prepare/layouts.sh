imagesig key generate release.key
imagesig copy --all-platforms localhost:5000/acme/app:1.0 oci:image:1.0
