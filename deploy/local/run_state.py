"""What the state folder says about the running platform, so that another terminal can see and end it."""

from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import postgres, processes
from deploy.local.files import read_json, write_json
from deploy.local.processes import Record

STARTING = "starting"
READY = "ready"
CHILD_SECONDS = 20.0


@dataclass
class Run:
    """One start of the platform: the launcher, its children in order of start, and their ports."""

    state: Path
    launcher: Record | None = None
    phase: str = STARTING
    children: list[Record] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, state: Path) -> "Run":
        """Read the latest run, which may be over; an empty one when there was none."""
        known = read_json(state / "run.json")
        launcher = known.get("launcher")
        return cls(
            state=state,
            launcher=Record(**launcher) if launcher else None,
            phase=known.get("phase", STARTING),
            children=[Record(**child) for child in known.get("children", [])],
            ports=known.get("ports", {}),
        )

    def save(self) -> None:
        """Write the run down; called after every start of a child, so that none is ever unknown."""
        write_json(
            self.state / "run.json",
            {
                "launcher": self.launcher.as_json() if self.launcher else None,
                "phase": self.phase,
                "children": [child.as_json() for child in self.children],
                "ports": self.ports,
            },
        )

    def add(self, child: Record) -> None:
        """Write down a child that has just started."""
        self.children.append(child)
        self.save()

    def alive(self) -> list[Record]:
        """Return the children that still run."""
        return [child for child in self.children if child.is_alive()]

    def end_children(self, *, seconds: float = CHILD_SECONDS) -> None:
        """End the platform's processes, then Valkey, then PostgreSQL: nobody loses what it stands on."""
        servers = {"postgres", "valkey"}
        platform = [child for child in self.children if child.name not in servers]
        processes.end(platform, seconds=seconds)
        processes.end([child for child in self.children if child.name == "valkey"], seconds=seconds)
        for child in self.children:
            if child.name == "postgres":
                postgres.stop(child, seconds=max(seconds, 1))
        processes.sweep(str(self.state))
        self.children = []
        self.save()
