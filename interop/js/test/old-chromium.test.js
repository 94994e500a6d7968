import { runScenarios } from "../scenarios.js";
import { oldInChromium } from "../sides.js";

runScenarios(oldInChromium);
