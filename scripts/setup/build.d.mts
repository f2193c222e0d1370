/** Builds dist/ with the given Node when a source is newer than it. */
export declare function buildIfStale(node: string): Promise<void>;
