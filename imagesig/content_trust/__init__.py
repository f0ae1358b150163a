"""Docker Content Trust (notary): trust servers, whose signed data name the digest of a tag."""
