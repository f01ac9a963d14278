/*
 * The page put together (to come).
 */
