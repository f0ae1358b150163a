vault secrets enable transit
imagesig key generate hashivault://qa
mkdir -p keys etc/containers
imagesig key generate keys/release.key
for key in keys/release.key hashivault://qa; do
    imagesig sign --key $key --annotation stage=released registry.example/prod/app:1.0
done
imagesig sign --key keys/release.key registry.example/acme/app:1.0
cat > etc/containers/policy.json <<POLICY
{"default": [{"type": "reject"}],
 "transports": {"docker": {"registry.example": [{"type": "sigstoreSigned", "keyPath": "$PWD/keys/release.pub"}]}}}
POLICY
