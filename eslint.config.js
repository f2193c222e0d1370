import importSort from 'eslint-plugin-simple-import-sort';
import tseslint from 'typescript-eslint';

const noProcess = object => ({
	object: 'process',
	property: object,
	message: `process.${object} belongs to cli/ (and env to config/)`,
});

const limits = {
	'max-lines-per-function': ['error', 80],
	complexity: ['error', 20],
	'max-params': ['error', 4],
};

export default tseslint.config(
	{
		ignores: [
			'dist',
			'dist.*',
			'coverage',
			'packages',
			'.tools',
			'node_modules',
			'**/*.cjs',
			'testdata',
			'eslint.config.js',
			'scripts/**/*.mjs',
			'test/**/*.mjs',
		],
	},
	...tseslint.configs.strictTypeChecked,
	{
		plugins: {'simple-import-sort': importSort},
		languageOptions: {parserOptions: {projectService: true, tsconfigRootDir: import.meta.dirname}},
		rules: {
			'@typescript-eslint/no-floating-promises': 'error',
			'@typescript-eslint/return-await': ['error', 'in-try-catch'],
			'@typescript-eslint/consistent-type-definitions': ['error', 'type'],
			'@typescript-eslint/consistent-type-imports': ['error', {fixStyle: 'inline-type-imports'}],
			'@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true}],
			'@typescript-eslint/no-confusing-void-expression': 'off',
			'@typescript-eslint/no-unnecessary-condition': ['error', {allowConstantLoopConditions: 'only-allowed-literals'}],
			'@typescript-eslint/require-await': 'off',
			'@typescript-eslint/no-unused-vars': ['error', {argsIgnorePattern: '^_', varsIgnorePattern: '^_'}],
			'simple-import-sort/imports': ['error', {groups: [['^node:', '^@?\\w', '^\\.']]}],
			'simple-import-sort/exports': 'error',
			'max-lines': ['error', {max: 350}],
			'no-console': 'error',
			'no-empty': ['error', {allowEmptyCatch: false}],
			'no-restricted-syntax': [
				'error',
				{selector: 'ExportDefaultDeclaration', message: 'named exports only'},
				{selector: 'TSEnumDeclaration', message: 'use an as const union'},
			],
		},
	},
	{
		files: ['source/**'],
		rules: {'no-restricted-properties': ['error', noProcess('exit'), noProcess('env'), noProcess('exitCode')]},
	},
	{files: ['source/cli/**', 'source/config/**'], rules: {'no-restricted-properties': ['error', noProcess('exit')]}},
	{files: ['source/cli.ts'], rules: {'no-restricted-properties': 'off'}},
	{files: ['source/**'], rules: limits},
	{
		files: ['test/**', 'scripts/**'],
		rules: {
			'no-console': 'off',
			// node:test's describe() and it() return promises that the runner awaits.
			'@typescript-eslint/no-floating-promises': [
				'error',
				{
					allowForKnownSafeCalls: [
						{
							from: 'package',
							name: ['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'],
							package: 'node:test',
						},
					],
				},
			],
			'@typescript-eslint/no-non-null-assertion': 'off',
		},
	},
);
