p12
cp ca.crt roots.pem
imagesig sign --key release.p12 --format cosign-x509 ghcr.io/acme/app:1.0

# A timestamp over signature.bin, by a service that the same authority certified.
head -c 64 /dev/urandom > signature.bin
cp ca.crt tsa-root.pem
printf '%s\n' basicConstraints=critical,CA:false keyUsage=critical,digitalSignature \
    extendedKeyUsage=critical,timeStamping > tsa.ext
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -subj /C=US/ST=WA/O=Acme/CN=tsa \
    | openssl x509 -req -CA ca.crt -CAkey ca.key -days 9 -extfile tsa.ext -out tsa.crt
cat > tsa.cnf <<'CONFIG'
[tsa]
serial = serial
signer_cert = tsa.crt
certs = ca.crt
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
CONFIG
openssl ts -query -data signature.bin -sha256 -cert -out query.tsq
openssl ts -reply -config tsa.cnf -section tsa -queryfile query.tsq -token_out -out timestamp.der
