/** Decides whether a dump is complete by its size, its table of contents and the manifest of its run. */
import {contentsNames} from '../core/directory-dump.js';
import type {FoundManifest} from './found-manifest.js';
import type {IsGood} from './selection.js';

export function goodDumps(manifests: readonly FoundManifest[]): IsGood {
	const known = new Map(manifests.flatMap(({manifest}) => manifest.files.map(file => [file.path, file] as const)));
	return (dump, files) => {
		const file = known.get(dump);
		if (files.some(one => one.path !== dump)) {
			const sizes = new Map(files.map(one => [one.path, one.size] as const));
			if (!contentsNames.some(name => sizes.has(`${dump}/${name}`))) return false;
			return file?.members?.every(member => sizes.get(`${dump}/${member.path}`) === member.size) ?? true;
		}
		const size = files[0]?.size ?? 0;
		return size > 0 && (file === undefined || file.directory === true || file.size === size);
	};
}
