// The import table of CONTRIBUTING.md ("Who may import whom"), enforced.
const layers = [
	'lib',
	'core',
	'config',
	'process',
	'postgres',
	'storage',
	'retention',
	'stages',
	'engine',
	'reporters',
	'ui',
	'cli',
];
const allowed = {
	lib: [],
	core: ['lib'],
	config: ['core', 'lib'],
	process: ['core', 'lib'],
	postgres: ['core', 'lib', 'process'],
	storage: ['core', 'lib'],
	retention: ['core', 'lib', 'storage/storage'],
	stages: ['core', 'lib', 'process', 'postgres', 'storage/storage'],
	engine: [
		'core',
		'lib',
		'config',
		'process',
		'stages',
		'retention',
		'postgres',
		'storage/storage',
		'storage/keys',
		'storage/errors',
		'storage/registry',
	],
	reporters: ['core', 'lib'],
	ui: ['core', 'lib'],
	cli: layers,
};
const packages = {
	lib: '^(string-width|cli-truncate|fastest-levenshtein)$',
	core: '^$',
	config: '^(ini|fastest-levenshtein)$',
	process: '^$',
	postgres: '^$',
	storage: '^(@aws-sdk/|@smithy/|@google-cloud/storage|@azure/|ssh2|ssh2-sftp-client|ssh-config)',
	retention: '^$',
	stages: '^age-encryption$',
	engine: '^$',
	reporters: '^$',
	ui: '^(ink|react|ink-table|ink-spinner|cli-spinners)$',
	cli: '^(meow|fastest-levenshtein)$',
};
const packageName = pattern => pattern.replace(/^\^\(?|\)?\$$/g, '');
const rules = layers.flatMap(layer => {
	const targets = [layer, ...allowed[layer]].map(one =>
		one.includes('/') ? `^source/${one}\\.ts$` : `^source/${one}/`,
	);
	return [
		{
			name: `${layer}-imports`,
			severity: 'error',
			from: {path: `^source/${layer}/`},
			to: {path: '^source/', pathNot: targets},
		},
		{
			name: `${layer}-packages`,
			comment: `only ${packageName(packages[layer])}`,
			severity: 'error',
			from: {path: `^source/${layer}/`},
			to: {
				dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'],
				pathNot: packagePaths(packages[layer]),
			},
		},
	];
});

function packagePaths(pattern) {
	return pattern === '^$' ? '^$' : `node_modules/(@types/)?(${pattern.replace(/^\^\(?|\)?\$?$/g, '')})`;
}

module.exports = {
	forbidden: [
		...rules,
		{
			name: 'no-cycles',
			severity: 'error',
			from: {},
			to: {circular: true, viaOnly: {dependencyTypesNot: ['type-only']}},
		},
		{
			name: 'core-pure',
			severity: 'error',
			from: {path: '^source/core/'},
			to: {path: '^(node:)?(fs|child_process|fs/promises)$'},
		},
		{
			name: 'ui-does-no-work',
			severity: 'error',
			from: {path: '^source/ui/'},
			to: {path: '^(node:)?(fs|child_process|fs/promises)$'},
		},
		{
			name: 'ui-is-lazy',
			severity: 'error',
			from: {path: '^source/cli'},
			to: {path: '^source/ui/', dynamic: false, dependencyTypesNot: ['type-only']},
		},
		{
			name: 'targets-are-lazy',
			severity: 'error',
			from: {path: '^source/storage/registry'},
			to: {path: '^source/storage/(s3|b2|gcs|azure|sftp)', dynamic: false, dependencyTypesNot: ['type-only']},
		},
		{
			name: 'targets-apart',
			comment: 'a target never imports another target (b2 is s3 with other settings)',
			severity: 'error',
			from: {path: '^source/storage/(s3|gcs|azure|sftp)/'},
			to: {path: '^source/storage/(s3|b2|gcs|azure|sftp)/', pathNot: '^source/storage/$1/'},
		},
		{
			name: 'age-only-in-age',
			severity: 'error',
			from: {pathNot: '^source/stages/age/'},
			to: {path: 'node_modules/age-encryption'},
		},
		{name: 'no-orphans', severity: 'error', from: {orphan: true, path: '^source/', pathNot: '\\.d\\.ts$'}, to: {}},
	],
	options: {
		doNotFollow: {path: 'node_modules'},
		tsConfig: {fileName: 'tsconfig.json'},
		tsPreCompilationDeps: true,
		enhancedResolveOptions: {
			exportsFields: ['exports'],
			conditionNames: ['import', 'node', 'default', 'types'],
			extensions: ['.ts', '.tsx', '.js', '.jsx', '.json'],
		},
	},
};
