imagesig key generate release.key
