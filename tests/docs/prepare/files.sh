imagesig key generate release.key
mkdir -p run/secrets
cp release.key run/secrets/
printf %s "$COSIGN_PASSWORD" > run/secrets/passphrase
