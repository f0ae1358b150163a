vault_key
authority
mkdir -p etc/acme
certify hashivault://release > etc/acme/chain.pem

# A plugin for cosign with one key, team/release, which is in a file. Plugins see no passphrase.
env -u COSIGN_PASSWORD imagesig key generate acme.key
cat > sigstore-kms-acme <<'PLUGIN'
#!/bin/bash
exec sigstore-kms-imagesig "${@//\"team\/release\"/\"$HOME/acme.key\"}"
PLUGIN
chmod +x sigstore-kms-acme
export PATH="$PWD:$PATH"
