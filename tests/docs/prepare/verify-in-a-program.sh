vault_key
for signer in alice bob; do
    imagesig key generate $signer.key
    imagesig sign --key $signer.key --annotation stage=released registry.example/acme/app:1.0
done
