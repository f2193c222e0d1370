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
	'progress',
	'runs',
	'repository',
	'backup',
	'restore',
	'fleet',
	'reporters',
	'ui',
	'cli',
];
/** What backup and restore may use; not each other. */
const below = [
	'core',
	'lib',
	'config',
	'process',
	'postgres',
	'stages',
	'retention',
	'progress',
	'runs',
	'repository',
	'storage/storage',
	'storage/object-keys',
	'storage/errors',
	'storage/open',
	'storage/definitions',
];
const allowed = {
	lib: [],
	core: ['lib'],
	config: ['core', 'lib', 'storage/definitions'],
	process: ['core', 'lib'],
	postgres: ['core', 'lib', 'process'],
	storage: ['core', 'lib'],
	retention: ['core', 'lib', 'storage/storage'],
	stages: ['core', 'lib', 'process', 'postgres', 'storage/storage', 'storage/errors', 'storage/proof'],
	progress: ['core', 'lib', 'postgres', 'process', 'runs'],
	runs: ['core', 'lib', 'process', 'config', 'postgres', 'stages'],
	repository: [
		'core',
		'lib',
		'config',
		'postgres',
		'process',
		'runs',
		'stages',
		'retention',
		'storage/storage',
		'storage/object-keys',
		'storage/errors',
		'storage/http',
		'storage/open',
		'storage/definitions',
	],
	backup: below,
	restore: below,
	fleet: [...below, 'backup', 'restore'],
	reporters: ['core', 'lib'],
	ui: ['core', 'lib'],
	cli: [...layers, 'engine'],
};
const packages = {
	lib: '^(string-width|cli-truncate|fastest-levenshtein)$',
	core: '^$',
	config: '^(ini|fastest-levenshtein)$',
	process: '^$',
	postgres: '^$',
	storage: '^(@aws-sdk/|@smithy/|@google-cloud/storage|google-auth-library|@azure/|ssh2|ssh2-sftp-client)',
	retention: '^$',
	stages: '^age-encryption$',
	progress: '^$',
	runs: '^$',
	repository: '^$',
	backup: '^$',
	restore: '^$',
	fleet: '^$',
	reporters: '^$',
	ui: '^(ink|react|ink-table|ink-spinner|cli-spinners)$',
	cli: '^(meow|fastest-levenshtein)$',
};
const packageName = pattern => pattern.replace(/^\^\(?|\)?\$$/g, '');
const rules = layers.flatMap(layer => {
	const targets = [layer, ...allowed[layer]].map(one =>
		one.includes('/') || one === 'engine' ? `^source/${one}\\.ts$` : `^source/${one}/`,
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
			to: {circular: true},
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
			name: 'stores-are-lazy',
			comment: 'outside its folder, a store is known by its definition, which loads the rest when the store is opened',
			severity: 'error',
			from: {pathNot: '^source/storage/(s3|b2|gcs|azure|sftp|local)/'},
			to: {path: '^source/storage/(s3|b2|gcs|azure|sftp|local)/', pathNot: '/definition\\.ts$'},
		},
		{
			name: 'definitions-load-little',
			severity: 'error',
			from: {path: '^source/storage/[^/]+/definition\\.ts$'},
			to: {path: '^source/storage/[^/]+/|node_modules', dynamic: false, dependencyTypesNot: ['type-only']},
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
