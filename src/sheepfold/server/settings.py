"""Django's settings, all derived from `core.config`."""

from typing import Any

from sheepfold.server.core.config import config, secret_key
from sheepfold.server.core.database import database_settings
from sheepfold.server.core.mail import mail_settings
from sheepfold.server.web.static_files import static_version

_config = config()

SECRET_KEY = secret_key()
DEBUG = _config.debug
ALLOWED_HOSTS = [host.strip() for host in _config.hosts.split(",")]
CSRF_TRUSTED_ORIGINS = [_config.public_url] if _config.public_url else []
ROOT_URLCONF = "sheepfold.server.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "sheepfold.server.web",  # before allauth, whose pages it restyles
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "sheepfold.server.core",
    "sheepfold.server.accounts",
    "sheepfold.server.renderers",
    "sheepfold.server.projects",
    "sheepfold.server.machines",
    "sheepfold.server.frames",
    "sheepfold.server.dispatch",
    "sheepfold.server.results",
    "sheepfold.server.outputs",
]

MIDDLEWARE = [
    "sheepfold.server.web.middleware.SafetyHeaders",
    "sheepfold.server.web.middleware.Gzip",
    "django.middleware.security.SecurityMiddleware",
    "sheepfold.server.web.middleware.StaticFiles",  # what is before it Django calls outside of the event loop
    "sheepfold.server.web.middleware.FewConnections",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "sheepfold.server.web.middleware.FailurePages",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sheepfold.server.web.context.page",
            ],
        },
    }
]

DATABASES = {"default": database_settings(_config.database_url, _config.data_dir)}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]  # one: each hashes at a failure
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

SESSION_COOKIE_NAME = "sheepfold_site"  # apart from the cookie of machines
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "sheepfold.server.web.middleware.csrf_failure"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _config.public_url.startswith("https://")
X_FRAME_OPTIONS = "DENY"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

SECURE_REFERRER_POLICY = None  # web.middleware sets it
SECURE_CROSS_ORIGIN_OPENER_POLICY = None
SECURE_CONTENT_TYPE_NOSNIFF = False

STATIC_URL = f"/static/{static_version()}/"  # the version lets browsers keep the files for good
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 365 * 24 * 3600

LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "sheepfold.server.web.account_adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional" if _config.mail_url else "none"
ACCOUNT_CHANGE_EMAIL = True  # one address, and a new one counts once it is confirmed
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {"login_failed": None}  # the adapter counts them in the database, for all processes together
MFA_FORMS = {
    "authenticate": "sheepfold.server.web.second_factor.SecondFactorForm",
    "reauthenticate": "sheepfold.server.web.second_factor.AgainForm",
}
MFA_TOTP_ISSUER = "Sheepfold"
LOGGING_CONFIG = None  # core.logs sets everything up

globals().update(mail_settings(_config.mail_url, _config.mail_from))
