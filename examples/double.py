"""A minimal example of funes. Run it twice: the second run computes nothing."""

from __future__ import annotations

from time import sleep

from funes import load_cached_results, memorious


@memorious
def double(x: int) -> int:
    """Returns twice x, slowly."""
    print("  doubling", x)
    sleep(0.2)
    return x * 2


def main() -> None:
    """Calls double ten times in two ways, each twice, and shows all cached results."""
    print("five numbers: computed, if this is the first run")
    for x in range(5):
        double(x)

    print("the same five: cached")
    for x in range(5):
        double(x)

    print(
        "one number with five seeds: computed, if this is the first run, since a seed is part of the key"
    )
    for seed in range(5):
        double(0, global_seed=seed)

    print("the same five: cached")
    for seed in range(5):
        double(0, global_seed=seed)

    print("all cached results")
    for result in load_cached_results(double):
        print(" ", result)


if __name__ == "__main__":
    main()
