for signer in release ci alice bob; do
    imagesig key generate $signer.key
done
cat > sbom.json <<SBOM
{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app",
 "creationInfo": {"created": "$(date -u +%Y-%m-%dT%H:%M:%SZ)", "creators": ["Tool: example"]},
 "packages": [{"name": "musl", "SPDXID": "SPDXRef-1"}]}
SBOM
cat > provenance.json <<PROVENANCE
{"buildDefinition": {"buildType": "https://builder.example/make",
                     "externalParameters": {"source": "git+https://git.example/acme/app@refs/tags/v1.0"}},
 "runDetails": {"builder": {"id": "https://builder.example/v1"}}}
PROVENANCE
cat > scan.json <<SCAN
{"invocation": {}, "metadata": {"scanStartedOn": "2026-11-01T00:00:00Z"},
 "scanner": {"uri": "https://scanner.example",
             "result": {"findings": [{"id": "CVE-2026-0001", "severity": "CRITICAL"}, {"id": "CVE-2026-0002", "severity": "LOW"}]}}}
SCAN
cat > vex.json <<VEX
{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://acme.example/vex/1", "author": "Acme", "version": 1,
 "timestamp": "2026-11-01T00:00:00Z",
 "statements": [{"vulnerability": {"name": "CVE-2026-0001"}, "status": "not_affected",
                 "justification": "vulnerable_code_not_present"}]}
VEX
echo '{"environment": "production", "ticket": "REL-7"}' > approval.json
echo content > file
printf 'FROM scratch\nCOPY file /file\n' > Dockerfile
