mkdir -p run/secrets
echo secret > run/secrets/secret-id
