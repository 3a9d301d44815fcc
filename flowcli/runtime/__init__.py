"""How it runs: devices, memory, threads, tiles and strips. Nothing here knows what is computed."""
