from imagesig.docker.connecting import from_env as from_env
from imagesig.docker.pulling import pull_verified as pull_verified
from imagesig.docker.verifying import ImageVerdict as ImageVerdict
from imagesig.docker.verifying import verify as verify

PUBLIC: dict[str, str]
