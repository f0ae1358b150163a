# Functions for the preparation of pages. Names of hosts are the pages' own; the test replaces them.

vault_key() {
    vault secrets enable transit
    imagesig key generate hashivault://release
}

# ca.key, ca.crt: a certificate authority.
authority() {
    openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 9 \
        -subj /C=US/ST=WA/O=Acme/CN=root -addext basicConstraints=critical,CA:true \
        -addext keyUsage=critical,keyCertSign,cRLSign
}

# Prints the chain of a new certificate for the key $1.
certify() {
    imagesig key csr "$1" --subject C=US,ST=WA,O=Acme,CN=release --san email:release@acme.example \
        | openssl x509 -req -CA ca.crt -CAkey ca.key -days 9 -copy_extensions copy
    cat ca.crt
}

# release.p12: a key with its chain, under the passphrase of the page.
p12() {
    authority
    env -u COSIGN_PASSWORD imagesig key generate signer.key
    certify signer.key > signer.crt
    openssl pkcs12 -export -inkey signer.key -in signer.crt -out release.p12 -passout "pass:$COSIGN_PASSWORD"
    rm signer.*
}
