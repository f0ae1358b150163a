p12
cp ca.crt roots.pem
imagesig key generate break-glass.key
imagesig sign --key release.p12 --format cosign-x509 ghcr.io/acme/app:1.0
imagesig sign --key release.p12 --format notation-jws registry.example/team/app:1.0
imagesig copy --all-platforms registry.example/team/app:1.0 oci:layout:1.0
cat > trustpolicy.json <<'POLICY'
{"version": "1.0", "trustPolicies": [{
    "name": "acme", "registryScopes": ["registry.example/team/app", "local/hello"], "trustStores": ["ca:acme"],
    "signatureVerification": {"level": "strict"}, "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Acme"]}]}
POLICY
mkdir -p truststore/x509/ca/acme .config/notation
cp ca.crt truststore/x509/ca/acme/root.pem
cp -r trustpolicy.json truststore .config/notation/
