# A repository that notary signed: the tag 1.0 in its releases and by alice.
export NOTARY_ROOT_PASSPHRASE=passphrase1 NOTARY_TARGETS_PASSPHRASE=passphrase1
export NOTARY_SNAPSHOT_PASSPHRASE=passphrase1 NOTARY_DELEGATION_PASSPHRASE=passphrase1
export DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=passphrase1 DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=passphrase1
notary="notary -d $PWD/trust -s https://notary.example --tlscacert notary-ca.crt"
# The names of hosts are replaced in this text: the repository is the one that the page names.
image=registry.example/acme/app
$notary init $image
$notary key rotate $image snapshot -r
$notary publish $image
for role in releases alice; do
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $role.key
    openssl pkey -in $role.key -pubout -out $role.pub
    $notary key import $role.key --role targets/$role
    $notary delegation add $image targets/$role $role.pub --all-paths -p
done
manifest=$(skopeo inspect --raw --tls-verify=false docker://$image:1.0 | tee manifest.json | sha256sum | cut -d' ' -f1)
$notary addhash $image 1.0 "$(stat -c %s manifest.json)" --sha256 "$manifest" -r targets/releases -r targets/alice -p
imagesig trust inspect --notary-server https://notary.example --notary-ca notary-ca.crt $image 2>/dev/null \
    | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["AdministrativeKeys"][0]["Keys"][0]["ID"])' > root.id
