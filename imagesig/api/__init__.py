"""The public functions, one module each: `sign`, `verify`, `inspect`, `copy`, `remove`, `explain`, `diagnose`.

This package composes: `images` resolve, `formats` draft and authenticate, `keys` sign, `stores` find and attach,
`policy` judges. Only this package reads the wall clock for a signature or a verdict. Users import from `imagesig`.
"""
