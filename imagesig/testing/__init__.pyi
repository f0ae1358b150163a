from imagesig.testing.contract import ProviderContract as ProviderContract
from imagesig.testing.hostile import HOSTILE_HOMES as HOSTILE_HOMES
from imagesig.testing.hostile import HOSTILITIES as HOSTILITIES
from imagesig.testing.hostile import hostile_home as hostile_home
from imagesig.testing.hostile import hostile_homes as hostile_homes
from imagesig.testing.hostile import hostile_registry as hostile_registry
from imagesig.testing.hostile.kinds import HomeHostility as HomeHostility
from imagesig.testing.hostile.kinds import HostileHome as HostileHome
from imagesig.testing.hostile.kinds import HostileRegistry as HostileRegistry
from imagesig.testing.hostile.kinds import Hostility as Hostility
from imagesig.testing.hostile.kinds import Work as Work
from imagesig.testing.keys import MemoryProvider as MemoryProvider
from imagesig.testing.kms import ScriptedKms as ScriptedKms
from imagesig.testing.loopback_server import Answer as Answer
from imagesig.testing.loopback_server import Request as Request
from imagesig.testing.profiles import PROFILES as PROFILES
from imagesig.testing.profiles import Difference as Difference
from imagesig.testing.profiles import Profile as Profile
from imagesig.testing.registry import InMemoryRegistry as InMemoryRegistry
from imagesig.testing.sts import ScriptedSts as ScriptedSts
from imagesig.testing.uri_contract import UriContract as UriContract
from imagesig.testing.vault import ScriptedVault as ScriptedVault

PUBLIC: dict[str, str]
