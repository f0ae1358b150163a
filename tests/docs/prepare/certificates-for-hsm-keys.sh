vault_key
authority
cp ca.crt issuers.pem
