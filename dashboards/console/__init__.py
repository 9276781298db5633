"""The console: a web page that the service serves itself. What is now, how it was, what is wrong, what to do about it.

``history`` keeps what is shown, ``following`` reads it from the topics, ``tiles`` and ``chart`` make of it what a page
shows, ``pages`` shows it, ``access`` says who may.
"""
