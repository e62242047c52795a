#include "apiserver/testing/certificates.h"

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>

#include "base/status.h"

namespace tranche::apiserver::testing {

namespace {

template <auto kFree>
struct Freed {
  template <class Type>
  void operator()(Type* value) const {
    kFree(value);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Memory = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

Key NewKey() {
  Key key(EVP_EC_gen("P-256"));
  TRANCHE_CHECK(key != nullptr);
  return key;
}

std::string Text(const Memory& memory) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string Pem(const Certificate& certificate) {
  const Memory memory(BIO_new(BIO_s_mem()));
  TRANCHE_CHECK(PEM_write_bio_X509(memory.get(), certificate.get()) == 1);
  return Text(memory);
}

std::string Pem(const Key& key) {
  const Memory memory(BIO_new(BIO_s_mem()));
  TRANCHE_CHECK(PEM_write_bio_PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                         nullptr) == 1);
  return Text(memory);
}

// Subject, serial number, dates and key; the issuer is for the caller.
Certificate Begin(const std::string& common_name, const Key& key, std::chrono::seconds valid_for) {
  Certificate certificate(X509_new());
  TRANCHE_CHECK(certificate != nullptr);
  TRANCHE_CHECK(X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  std::uint64_t serial = 0;
  TRANCHE_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1U);
  // From a day ago, so that one may have expired; clocks of two machines differ anyway.
  constexpr long kDay = 24L * 3600;
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), static_cast<long>(valid_for.count()));
  const auto* name = reinterpret_cast<const unsigned char*>(common_name.c_str());
  TRANCHE_CHECK(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN",
                                           MBSTRING_UTF8, name, -1, -1, 0) == 1);
  TRANCHE_CHECK(X509_set_pubkey(certificate.get(), key.get()) == 1);
  return certificate;
}

void Extend(const Certificate& certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate.get(), nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  TRANCHE_CHECK(extension != nullptr);
  TRANCHE_CHECK(X509_add_ext(certificate.get(), extension.get(), -1) == 1);
}

}  // namespace

std::string Base64(const std::string& text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

struct Authority::Secret {
  Key key;
  Certificate certificate;
};

Authority::Authority(const std::string& common_name) : secret_(std::make_unique<Secret>()) {
  secret_->key = NewKey();
  secret_->certificate = Begin(common_name, secret_->key, std::chrono::hours(24));
  X509* self = secret_->certificate.get();
  TRANCHE_CHECK(X509_set_issuer_name(self, X509_get_subject_name(self)) == 1);
  Extend(secret_->certificate, self, NID_basic_constraints, "critical,CA:TRUE");
  Extend(secret_->certificate, self, NID_key_usage, "critical,keyCertSign,cRLSign");
  Extend(secret_->certificate, self, NID_subject_key_identifier, "hash");
  TRANCHE_CHECK(X509_sign(self, secret_->key.get(), EVP_sha256()) > 0);
  certificate_ = Pem(secret_->certificate);
}

Authority::~Authority() = default;

KeyPair Authority::Sign(const CertificateRequest& request) const {
  const Key key = NewKey();
  const Certificate certificate = Begin(request.common_name, key, request.valid_for);
  X509* issuer = secret_->certificate.get();
  TRANCHE_CHECK(X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer)) == 1);
  Extend(certificate, issuer, NID_key_usage, "critical,digitalSignature");
  // Tells two authorities of one name apart, as the certificates of Kubernetes' own tools do.
  if (request.names_key) Extend(certificate, issuer, NID_authority_key_identifier, "keyid:always");
  Extend(certificate, issuer, NID_ext_key_usage,
         request.addresses.empty() ? "clientAuth" : "serverAuth");
  if (!request.addresses.empty()) {
    Extend(certificate, issuer, NID_subject_alt_name, request.addresses);
  }
  TRANCHE_CHECK(X509_sign(certificate.get(), secret_->key.get(), EVP_sha256()) > 0);
  return {Pem(certificate), Pem(key)};
}

std::string Authority::HashName() const {
  return fmt::format("{:08x}.0",
                     X509_NAME_hash_ex(X509_get_subject_name(secret_->certificate.get()), nullptr,
                                       nullptr, nullptr));
}

}  // namespace tranche::apiserver::testing
