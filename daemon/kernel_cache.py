"""Reading compiled kernels from a folder that cannot be written, as in a container image. Owns nothing but the look-up:
`daemon.kernels` decides where the folder is, and numba imports this module by the name that is set there.

numba takes a cache folder only after a trial write. A kernel that is missing from a sealed folder is compiled and then
fails to be kept, with the folder's name: an image without its kernels does not start silently slow.
"""

from numba.core.caching import UserProvidedCacheLocator


class SealedCacheLocator(UserProvidedCacheLocator):
    """The same folders and names; nothing is written to try."""

    def ensure_cache_path(self) -> None:
        """It is there or it is not: nothing to make."""
