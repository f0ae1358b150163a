from imagesig.content_trust.backup import TrustBackup as TrustBackup
from imagesig.content_trust.key import canonical_id as canonical_id
from imagesig.content_trust.keyring import KeyFolder as KeyFolder
from imagesig.content_trust.keyring import TrustKeys as TrustKeys
from imagesig.content_trust.lookup import Release as Release
from imagesig.content_trust.lookup import released as released
from imagesig.content_trust.lookup import releases as releases
from imagesig.content_trust.lookup import signers_of as signers_of
from imagesig.content_trust.memory import DockerTrust as DockerTrust
from imagesig.content_trust.memory import FolderMemory as FolderMemory
from imagesig.content_trust.memory import InMemoryTrust as InMemoryTrust
from imagesig.content_trust.memory import NoTrustMemory as NoTrustMemory
from imagesig.content_trust.memory import TrustMemory as TrustMemory
from imagesig.content_trust.private_folder import PrivateKeyFolder as PrivateKeyFolder
from imagesig.content_trust.private_folder import docker_passphrases as docker_passphrases
from imagesig.content_trust.servers import TrustServers as TrustServers
from imagesig.content_trust.signing_key import ProviderKey as ProviderKey
from imagesig.content_trust.update import TrustData as TrustData

PUBLIC: dict[str, str]
