import js from "@eslint/js";
import globals from "globals";

// Run this in the root of the project, so that one configuration serves the client, the page and these tests.
const browser = ["clients/js/src/*.js", "crates/neffos-cli/web/**/*.js", "interop/js/agents/*.js"];
// These files pass functions to pages.
const both = ["interop/js/sides.js", "interop/js/test/page*.test.js"];

export default [
  // Built from modules that are checked.
  { ignores: ["clients/js/neffos.js"] },
  {
    ...js.configs.recommended,
    languageOptions: { ecmaVersion: 2022, sourceType: "module" },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      ...js.configs.recommended.rules,
      "consistent-return": "off",
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-depth": ["error", 3],
      "max-lines-per-function": ["error", { max: 60, skipComments: true, skipBlankLines: true }],
      "max-params": ["error", 4],
      "no-alert": "error",
      "no-else-return": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-nested-ternary": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "what comes from others is only ever text" },
        { property: "outerHTML", message: "what comes from others is only ever text" },
        { property: "insertAdjacentHTML", message: "what comes from others is only ever text" },
      ],
      "no-shadow": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
  {
    files: ["clients/js/src/*.js", "crates/neffos-cli/web/**/*.js"],
    rules: { "max-lines": ["error", 300] },
  },
  {
    files: ["**/test/*.js"],
    rules: { "max-lines-per-function": "off" },
  },
  {
    files: [...browser, ...both],
    languageOptions: { globals: globals.browser },
  },
  {
    ignores: browser,
    languageOptions: { globals: { ...globals.node } },
  },
];
