"""One real institution per test process, the registered channels against it, and requests to make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from engine.channels.base import Channel, PayRequest
from tests.engine.channels.counterpart import Counterpart
from tests.engine.channels.qr_only import QrOnlyInstitution
from tests.engine.channels.receiver import Receiver
from tests.engine.channels.requests import make_request
from tests.engine.channels.sandbox_side import SandboxSide
from tests.institution_process import InstitutionProcess


def build_channels(institution: InstitutionProcess) -> dict[str, Channel]:
    """Build every channel that the settings name, with this institution behind it."""
    values = {
        "SANDBOX_URL": institution.url,
        "SANDBOX_SIGNING_KEY": institution.key,
        "SANDBOX_API_URL": "",
    }
    channels = [import_string(path).build(values) for path in settings.CHANNELS]
    return {channel.code: channel for channel in channels}


@pytest.fixture(scope="session")
def institution(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstitutionProcess]:
    """An institution that stays up for the whole session; faults must be taken back by who sets them."""
    process = InstitutionProcess(tmp_path_factory.mktemp("institution") / "book.sqlite3")
    process.start()
    yield process
    assert process.stop() == 0


@pytest.fixture
def own_institution(tmp_path: Path) -> Iterator[InstitutionProcess]:
    """An institution to be killed."""
    process = InstitutionProcess(tmp_path / "book.sqlite3")
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="session")
def channels(institution: InstitutionProcess) -> dict[str, Channel]:
    """The registered channels by code."""
    return build_channels(institution)


@pytest.fixture
def sandbox(channels: dict[str, Channel]) -> Channel:
    """The first acquirer."""
    return channels["sandbox"]


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Where this session's callbacks go."""
    receiver = Receiver()
    yield receiver
    receiver.close()


Requests = Callable[..., PayRequest]


@pytest.fixture
def new_request(receiver: Receiver) -> Requests:
    """Make a pay request under fresh numbers; ``scenario`` and ``token`` choose the behaviour."""
    return lambda **changes: make_request(**{"notify_url": f"{receiver.url}/notify"} | changes)


COUNTERPARTS = ("sandbox", "sandbox2", "qronly")
"""Who must conform. A new channel adds its code here and its counterpart below."""


@pytest.fixture(scope="session")
def qr_only(receiver: Receiver) -> Iterator[QrOnlyInstitution]:
    """The small institution that is not the sandbox."""
    institution = QrOnlyInstitution(receiver)
    yield institution
    institution.close()


@pytest.fixture(params=COUNTERPARTS)
def counterpart(
    request: pytest.FixtureRequest,
    institution: InstitutionProcess,
    receiver: Receiver,
    qr_only: QrOnlyInstitution,
) -> Counterpart:
    """The far side of each channel in turn."""
    if request.param == "qronly":
        return qr_only
    return SandboxSide(code=request.param, institution=institution, receiver=receiver)
