/** Runs `action` while holding the lock `name` of this checkout; waits for another process that has it. */
export declare function withLock<T>(name: string, action: () => Promise<T>): Promise<T>;
