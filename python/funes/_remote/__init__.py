"""The remote cache: entries in a bucket or shared folder, behind the cache folder. docs/share-a-cache.md is for users.

A call asks the remote cache before it computes, and hands its result to a queue afterwards. Nothing here is imported
before the first miss of a function that has a remote cache.
"""
