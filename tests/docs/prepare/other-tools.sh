imagesig key generate release.key
mkdir -p etc/pki
cp release.pub etc/pki/
