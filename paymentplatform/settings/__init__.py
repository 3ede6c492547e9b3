"""Settings, read from the environment once. ``PLATFORM_ENV`` says demo, test or production (the default).

Production refuses to start on unsafe values and names all of them at once.
"""

from paymentplatform.settings import production
from paymentplatform.settings.background import *  # noqa: F403
from paymentplatform.settings.base import *  # noqa: F403
from paymentplatform.settings.documentation import *  # noqa: F403
from paymentplatform.settings.operators import *  # noqa: F403
from paymentplatform.settings.payments import *  # noqa: F403
from paymentplatform.settings.security import *  # noqa: F403

production.refuse_faults(globals())
