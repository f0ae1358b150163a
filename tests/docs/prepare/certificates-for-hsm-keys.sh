vault_key
authority
cp ca.crt issuers.pem
echo '{"reviewed": true}' > review.json
