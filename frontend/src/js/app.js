// The entry of every signed-in page: htmx and the small behaviours that HTML does not have yet.
import htmx from "htmx.org";
import { startAutosave } from "./autosave.js";
import { startChooser } from "./chooser.js";
import { startDialogs } from "./dialogs.js";
import { startDrawer } from "./drawer.js";
import { startForms } from "./forms.js";
import { startFragments } from "./fragments.js";
import { startKeyboard } from "./keyboard.js";
import { startLive } from "./live.js";
import { startMenus } from "./menus.js";
import { startPalette } from "./palette.js";
import { startSession } from "./session.js";
import { startTheme } from "./theme.js";
import { startToasts } from "./toasts.js";

startTheme();
startMenus();
startDrawer();
startDialogs();
startForms();
startChooser();
startToasts();
startFragments();
startLive(htmx);
startAutosave(htmx);
startKeyboard();
startPalette(htmx);
startSession();
