"""Faults of fence devices."""

from __future__ import annotations

from simulation.hand import Done, Hand, Undo


class FencingFaults(Hand):
    """They fail, hang, or say what is not so."""

    def do_bad_fencing(self) -> Done:
        """A device, or all of them, fail, hang, or say that they failed when they did not."""
        devices = sorted(self.world.setting.devices)
        if not devices:
            return None
        chosen = devices if self.dice.random() < 0.3 else [self.dice.choice(devices)]
        return self._devices(chosen, self.dice.choice(["fails", "hangs", "denies"]), self._seconds(3.0, 25.0))

    def do_liar(self) -> Done:
        """A device says that it did what it did not. What it was asked to end is beyond all promises then; the rest is not."""
        devices = sorted(self.world.setting.devices)
        if not devices:
            return None
        return self._devices([self.dice.choice(devices)], "lies", self._seconds(3.0, 12.0))

    def _devices(self, chosen: list[str], mode: str, seconds: float) -> tuple[str, float, Undo]:
        modes = self.world.power.modes
        modes.update(dict.fromkeys(chosen, mode))

        def again() -> None:
            for name in chosen:
                modes.pop(name, None)

        return f"{' '.join(chosen)}: {mode}", seconds, again
