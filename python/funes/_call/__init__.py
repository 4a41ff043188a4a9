"""Seeds: `global_seed=`.

`seeding` runs a function, `generators` knows the libraries, `turns` keeps threads apart, `draws` notices random numbers
that were drawn without a seed.
"""
