"""Pure values and functions: no asyncio, aiohttp, clock, randomness, logging or environment."""
