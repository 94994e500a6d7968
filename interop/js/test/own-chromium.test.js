import { runScenarios } from "../scenarios.js";
import { ownInChromium } from "../sides.js";

runScenarios(ownInChromium);
