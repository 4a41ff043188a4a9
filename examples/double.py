"""The smallest use of funes: run it twice, and see that the second time nothing is computed."""

from __future__ import annotations

from time import sleep

from funes import load_cached_results, memorious


@memorious
def double(x: int) -> int:
    """Twice x, slowly."""
    print("  doubling", x)
    sleep(0.2)
    return x * 2


def main() -> None:
    """Call double ten times in two ways, each time twice, and show everything that is remembered."""
    print("five numbers: computed, if this is the first run")
    for x in range(5):
        double(x)

    print("the same five: remembered")
    for x in range(5):
        double(x)

    print(
        "one number with five seeds: computed, if this is the first run, since a seed is part of the key"
    )
    for seed in range(5):
        double(0, global_seed=seed)

    print("the same five: remembered")
    for seed in range(5):
        double(0, global_seed=seed)

    print("everything that is remembered")
    for result in load_cached_results(double):
        print(" ", result)


if __name__ == "__main__":
    main()
