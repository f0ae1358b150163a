openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out release.pem
authority
openssl req -new -key release.pem -subj /C=US/ST=WA/O=Acme/CN=release \
    | openssl x509 -req -CA ca.crt -CAkey ca.key -days 9 -out release.crt
cat release.crt ca.crt > chain.pem
