import type {Manifest} from './manifest.js';

export type FoundManifest = {
	/** A local path or a key. For a divided run: the path that its only manifest would have. */
	readonly path: string;
	/** For a divided run: the paths or keys of its shards' manifests. */
	readonly parts?: readonly string[];
	readonly manifest: Manifest;
};
